"""What a company may have in its Vault: a little of everything that is read."""

from typing import Any

from fakes.vault import CREATE, DEFAULT_POLICY, connection, login, mount, policy, role, tune

PASSWORDS = """
length = 24
rule "charset" { charset = "abcdefghijklmnopqrstuvwxyz" min-chars = 2 }
rule "charset" { charset = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" }
rule "charset" {
  charset   = "0123456789"
  min-chars = 1
}
rule "charset" {
  charset   = "-_$"
  min-chars = 1
}
"""
READERS = """
path "database/creds/*" { capabilities = ["read"] }
path "database/creds/admin" { capabilities = ["deny"] }
path "consul/creds/shop" { capabilities = ["read"] }
"""
BI = """
path "+/pg/creds/+" { capabilities = ["read"] }
path "database/creds/{{identity.entity.name}}" { capabilities = ["read"] }
path "team/pg/static-creds/etl" { capabilities = ["read"] }
"""
ODD = """
path "database/creds/reader" {
  capabilities = ["read"]
  comment = <<EOT
for everybody
EOT
}
"""


def company() -> dict[str, Any]:
    """Everything by its path."""
    app = "postgresql://{{username}}:{{password}}@db.internal:5432/app?sslmode=require"
    return {
        "sys/mounts": {
            "database/": mount("database", default_s=7200, max_s=86400),
            "team/pg/": mount("database"),
            "consul/": mount("consul"),
            "nomad/": mount("nomad"),
            "sys/": mount("system"),
            "identity/": mount("identity"),
            "cubbyhole/": mount("cubbyhole"),
        },
        "sys/mounts/database/tune": tune(7200, 86400),
        "sys/mounts/team/pg/tune": tune(),
        "database/config/app": connection(
            app,
            allowed_roles=["reader", "writer", "admin", "Old.*", "keys", "clear"],
            root_credentials_rotate_statements=["ALTER ROLE x"],
            password_policy="strong",
            details={"username_template": "v-{{random 8}}"},
        ),
        "database/config/shop": connection(
            "hdb://{{username}}:{{password}}@hana.internal:30015",
            plugin_name="hana-database-plugin",
        ),
        "database/roles/reader": role(
            "app",
            CREATE,
            'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";',
            default_ttl=3600.0,
            max_ttl=28800.0,
        ),
        "database/roles/writer": role(
            "app", CREATE + '\nGRANT app_writer TO "{{name}}";', default_ttl=90000, max_ttl=172800
        ),
        "database/roles/admin": role("app", revocation_statements=['DROP ROLE "{{name}}"']),
        "database/roles/Old.Reports": role("app"),
        "database/roles/forbidden": role("app"),
        "database/roles/keys": role("app", credential_type="client_certificate"),
        "database/roles/clear": role("app", "SELECT make('{{name}}', '{{password}}')"),
        "database/roles/buyer": role("shop", "CREATE USER '{{name}}'"),
        "database/static-roles/etl": {
            "db_name": "app",
            "username": "etl",
            "rotation_period": 86400,
            "rotation_statements": [],
            "credential_type": "password",
        },
        "team/pg/config/app": connection(
            "host=pg.team.internal port=5433 user={{username}} password={{password}} dbname=bi"
        ),
        "team/pg/roles/analyst": role("app", default_ttl=172800),
        "sys/auth": {
            "token/": mount("token"),
            "approle/": mount("approle"),
            "kubernetes/": mount("kubernetes"),
            "jwt/": mount("jwt"),
            "people/": mount("userpass"),
            "cert/": mount("cert"),
            "ldap/": mount("ldap"),
        },
        "auth/approle/role/billing": login("readers", bind_secret_id=True, token_max_ttl=36000),
        "auth/approle/role/odd": login("odd", "readers"),
        "auth/approle/role/nothing": login(),
        "auth/kubernetes/role/web": login(
            "readers",
            bound_service_account_names=["web"],
            bound_service_account_namespaces=["shop", "stage"],
        ),
        "auth/jwt/role/ci": login(
            "bi", bound_claims={"project": "bi"}, token_no_default_policy=True
        ),
        "auth/people/users/ada": login("bi", "readers"),
        "auth/people/users/root": login("root"),
        "auth/cert/certs/edge": login("readers", display_name="edge", certificate="-----BEGIN"),
        "auth/token/roles/batch": {
            "name": "batch",
            "allowed_policies": ["readers"],
            "allowed_policies_glob": ["ops-*"],
            "token_no_default_policy": True,
            "token_explicit_max_ttl": 0,
            "token_period": 0,
            "orphan": True,
        },
        "sys/policies/acl/default": DEFAULT_POLICY,
        "sys/policies/acl/readers": policy(READERS),
        "sys/policies/acl/bi": policy(BI),
        "sys/policies/acl/odd": policy(ODD),
        "sys/policies/password/strong": {"policy": PASSWORDS},
        "sys/policies/password/pin": {
            "policy": 'length = 6\nrule "charset" { charset = "0123456789" }'
        },
        "sys/quotas/rate-limit/all": {"name": "all", "type": "rate-limit", "path": "", "rate": 99},
        "sys/quotas/lease-count/db": {
            "name": "db",
            "type": "lease-count",
            "path": "database/",
            "max_leases": 500,
        },
        "sys/quotas/lease-count/reader": {
            "name": "reader",
            "type": "lease-count",
            "path": "database/creds/reader",
            "max_leases": 20,
        },
        "sys/quotas/lease-count/logins": {
            "name": "logins",
            "type": "lease-count",
            "path": "auth/approle/",
            "max_leases": 5,
        },
        "identity/group/name/devs": {"name": "devs", "policies": ["readers"]},
        "sys/namespaces/child/": {},
    }
