'use strict';

// An application that has a database account from leasehold while it runs, with node-vault.
//
//   node index.js [seconds]    a query a second, for that long or until Ctrl-C
//
// The daemon's socket is LEASEHOLD_SOCKET; pg finds the database by PGHOST, PGPORT, PGDATABASE.

const http = require('node:http');
const { setTimeout: pause } = require('node:timers/promises');
const { Pool } = require('pg');

// There is no token: the daemon knows the caller by its user. An agent leads to the socket.
const socketPath = process.env.LEASEHOLD_SOCKET || '/run/leasehold/leasehold.sock';
const vault = require('node-vault')({
  endpoint: 'http://localhost',
  requestOptions: { httpAgent: new http.Agent({ socketPath }) },
});

async function getDbConnection(path) {
  // Get dynamic credentials
  const creds = await vault.read(path);

  // Create connection
  const pool = new Pool({ user: creds.data.username, password: creds.data.password });
  // A session ends with its lease; without a listener that would end the process.
  pool.on('error', (err) => console.error(`a session ended: ${err.message}`));

  // Set up renewal
  const leaseId = creds.lease_id;
  const connection = { pool, leaseId, over: false };
  connection.renewal = setInterval(async () => {
    try {
      const renewed = await vault.write('sys/leases/renew', { lease_id: leaseId });
      // Near its maximum a lease gets what is left; that may not last until the next renewal.
      connection.over = renewed.lease_duration <= creds.lease_duration / 2;
    } catch (err) {
      console.error(`the lease was not renewed: ${err.message}`);
      connection.over = true;
    }
    if (connection.over) clearInterval(connection.renewal);
  }, (creds.lease_duration / 2) * 1000);
  return connection;
}

async function end(connection) {
  clearInterval(connection.renewal);
  await connection.pool.end();
  // What is over is revoked as well; that is no error.
  await vault.write('sys/leases/revoke', { lease_id: connection.leaseId });
}

async function main(path, seconds) {
  let running = true;
  process.once('SIGINT', () => { running = false; });
  setTimeout(() => { running = false; }, seconds * 1000).unref();

  let connection = await getDbConnection(path);
  try {
    while (running) {
      if (connection.over) {
        // Get new credentials, and give up the old ones
        const old = connection;
        connection = await getDbConnection(path);
        await end(old);
      }
      const { rows } = await connection.pool.query('SELECT current_user AS me');
      console.log(`a query as ${rows[0].me}`);
      await pause(1000);
    }
  } finally {
    await end(connection);
  }
}

main(process.env.LEASEHOLD_PATH || 'database/creds/app-readonly', process.argv[2] || 86400)
  .catch((err) => {
    console.error(err.message);
    process.exit(1);
  });
