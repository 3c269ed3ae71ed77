"""Random bundles, small enough to collide and rich enough to differ everywhere."""

from hypothesis import strategies as st

from leasehold.bundle import (
    Bundle,
    EngineConfig,
    Grant,
    Identity,
    OnChange,
    OnRemoval,
    Reference,
    Role,
    Safety,
)

OPERATIONS = {"postgresql": frozenset({"creds"}), "other": frozenset({"creds", "sts"})}
NAMES = st.sampled_from(["a", "b", "c"])
VERBS = st.frozensets(st.sampled_from(["issue", "renew", "revoke", "list"]), min_size=1)
SPANS = st.sampled_from([60, 900, 3600, 86_400])


@st.composite
def bundles(draw: st.DrawFn, *, safety: Safety | None = None) -> Bundle:
    engines = {
        name: EngineConfig(
            name=name,
            type=draw(st.sampled_from(sorted(OPERATIONS))),
            mount=draw(st.sampled_from([name, "shared"])),
            connection={
                "url": draw(st.sampled_from(["one", "two"])),
                "password": Reference("env", draw(st.sampled_from(["X", "Y"]))),
            },
        )
        for name in draw(st.sets(NAMES))
    }
    identities = {
        name: Identity(name=name, owner="o", tenant=draw(NAMES), match=(), facts=({"uid": 1},))
        for name in draw(st.sets(NAMES))
    }
    roles = {}
    for name in draw(st.sets(NAMES)) if engines else ():
        engine = engines[draw(st.sampled_from(sorted(engines)))]
        most = draw(SPANS)
        roles[engine.mount, name] = Role(
            name=name,
            engine=engine.name,
            default_ttl_s=min(draw(SPANS), most),
            max_ttl_s=most,
            max_leases=draw(st.none() | st.integers(1, 5)),
            on_removal=draw(st.sampled_from(OnRemoval)),
            on_change=draw(st.sampled_from(OnChange)),
            options={"member_of": [draw(NAMES)]},
        )
    grants = draw(
        st.lists(
            st.builds(
                Grant,
                identities=st.tuples(NAMES),
                paths=st.sampled_from(["a/creds/a", "shared/creds/*", "b/*"]).map(lambda p: (p,)),
                verbs=VERBS,
                max_ttl_s=st.none() | SPANS,
                source=st.just("f:1"),
            ),
            max_size=3,
        )
    )
    return Bundle(
        digest=draw(st.sampled_from(["d1", "d2"])),
        engines=engines,
        roles=roles,
        identities=identities,
        grants=tuple(grants),
        mount_limits=draw(st.dictionaries(NAMES, st.integers(1, 9), max_size=2)),
        safety=safety or Safety(),
    )
