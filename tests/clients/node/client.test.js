'use strict';

// What node-vault is promised, over the socket at LEASEHOLD_SOCKET, or else by TLS at VAULT_ADDR.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const http = require('node:http');
const { test } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');
const { Client } = require('pg');

const { LEASEHOLD_SOCKET: socketPath, VAULT_CACERT, VAULT_CLIENT_CERT, VAULT_CLIENT_KEY } = process.env;
const there = socketPath
  ? { endpoint: 'http://localhost', requestOptions: { httpAgent: new http.Agent({ socketPath }) } }
  : {
    requestOptions: {
      ca: readFileSync(VAULT_CACERT),
      ...(VAULT_CLIENT_CERT && { cert: readFileSync(VAULT_CLIENT_CERT), key: readFileSync(VAULT_CLIENT_KEY) }),
    },
  };
const made = (options) => require('node-vault')({ ...there, ...options });
const vault = made();
const role = 'database/creds/app-readonly';

async function logsIn({ username, password }) {
  const client = new Client({ user: username, password });
  try {
    await client.connect();
    await client.end();
    return true;
  } catch (err) {
    // A wrong password, or an account that goes while it logs in
    assert.ok(['28P01', '28000'].includes(err.code), err.message);
    return false;
  }
}

test('a credential logs in until its lease is revoked', async () => {
  const { lease_id, lease_duration, renewable, data } = await vault.read(role);
  assert.deepEqual([lease_duration, renewable], [3600, true]);
  assert.equal(await logsIn(data), true);
  await vault.revoke({ lease_id });
  assert.equal(await logsIn(data), false);
});

test('renewals at half life keep a lease', async () => {
  const { lease_id, lease_duration, data } = await vault.read('database/creds/brief');
  for (let half = 0; half < 4; half += 1) {
    await pause((lease_duration / 2) * 1000);
    const renewed = await vault.write('sys/leases/renew', { lease_id });
    assert.deepEqual([renewed.lease_id, renewed.lease_duration], [lease_id, lease_duration]);
  }
  assert.equal(await logsIn(data), true);
});

test('an increment moves the end of a lease', async () => {
  const { lease_id } = await vault.read(role);
  assert.equal((await vault.renew({ lease_id, increment: 600 })).lease_duration, 600);
});

test('a lease is looked up', async () => {
  const { lease_id } = await vault.read(role);
  const { data } = await vault.write('sys/leases/lookup', { lease_id });
  assert.equal(data.id, lease_id);
  assert.ok(data.ttl > 3595 && data.ttl <= 3600, data.ttl);
});

test('leases are listed with LIST and with GET', async () => {
  const { lease_id } = await vault.read(role);
  for (const client of [vault, made({ noCustomHTTPVerbs: true })]) {
    const { data } = await client.list(`sys/leases/lookup/${role}`);
    assert.ok(data.keys.includes(lease_id.replace(`${role}/`, '')));
  }
});

test('all below a prefix end at once', async () => {
  const made = await Promise.all([1, 2, 3].map(() => vault.read('database/creds/many')));
  await vault.revokePrefix({ path_prefix: 'database/creds/many' });
  assert.deepEqual(await Promise.all(made.map(({ data }) => logsIn(data))), [false, false, false]);
});

test('a token is looked up, renewed, and takes its leases along', async () => {
  const child = made({ token: (await vault.tokenCreate({ ttl: '10m' })).auth.client_token });
  assert.equal((await child.tokenLookupSelf()).data.ttl > 590, true);
  const { data } = await child.read(role);
  await child.tokenRenewSelf({ increment: '5m' });
  await child.tokenRevokeSelf();
  await assert.rejects(child.tokenLookupSelf(), /permission denied/);
  for (let tries = 0; tries < 100 && (await logsIn(data)); tries += 1) await pause(50);
  assert.equal(await logsIn(data), false);
});

test('health says that the daemon serves', async () => {
  const { initialized, sealed, standby } = await vault.health();
  assert.deepEqual([initialized, sealed, standby], [true, false, false]);
});

test('what is looked at before anything is done', async () => {
  assert.equal((await vault.status()).sealed, false);
  assert.equal((await vault.initialized()).initialized, true);
  assert.ok('database/' in (await vault.mounts()).data);
});

test('a refusal has its status and its reason', async () => {
  await assert.rejects(vault.read('database/creds/closed'), ({ message, response }) => {
    assert.match(message, /permission denied/);
    assert.equal(response.statusCode, 403);
    assert.deepEqual(response.body.errors, [message]);
    return true;
  });
  await assert.rejects(vault.write('sys/leases/lookup', { lease_id: `${role}/never` }), {
    message: 'invalid lease',
  });
  await assert.rejects(vault.list('sys/leases/lookup/database/creds/nobody-has-this'), {
    message: 'Status 404',
  });
});
