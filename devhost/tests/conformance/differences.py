"""Where devhost is not as the real host: each a decision, with its reason. A case that is listed
here must differ.
"""

REQUESTS: dict[str, list[str]] = {
    "devhost has no home page: `/` is not found unless a function has it.": [
        "req/route: root prefix",
        "req/POST /",
        "req/HEAD /",
        "req-zz/route: root prefix",
    ],
    "devhost has no keys: everybody is let in, as by Core Tools, and any key does for what is under /admin.": [
        "auth/kf none",
        "auth/kf wrong hdr",
        "auth/kf wrong code",
        "auth/kf empty hdr",
        "auth/kf system key",
        "auth/kf HEAD none",
        "auth/kf wrong hdr+right code",
        "auth/kf bearer",
        "auth/kf OPTIONS none",
        "auth/ka none",
        "auth/ka wrong hdr",
        "auth/ka wrong code",
        "auth/ka empty hdr",
        "auth/ka host key hdr",
        "auth/ka host key code",
        "auth/ka system key",
        "auth/ka HEAD none",
        "auth/ka wrong hdr+right code",
        "auth/ka bearer",
        "auth/ka OPTIONS none",
        "req/route: runtime inst",
        "auth/admin status default key",
        "auth/admin webhook no key",
        "auth/admin webhook host key",
        "auth/admin host keys",
        "auth/admin fn keys",
        "auth/admin systemkeys",
    ],
    "A function that raises StopIteration is answered with 500: on the real host its caller waits for ever.": [
        "ret/stopiter",
    ],
    "devhost serves only requests whose Host is this machine's.": [
        "req/header: LF only",
        "req/host: ipv4",
        "req/host: underscore",
        "req/host: trailing dot",
        "req/lead CRLF",
    ],
    "devhost refuses what a browser sends from another origin.": [
        "req/preflight echo get-only",
        "req/simple CORS",
        "big/OPTIONS post-only with preflight",
    ],
    "devhost has of /admin what is asked for: ping, status, errors of a function, a timer function's run.": [
        "auth/admin functions",
        "auth/admin functions/echo",
        "auth/admin invoke echo",
        "auth/admin invoke say",
        "auth/admin sync",
        "auth/admin config",
        "auth/admin processes",
        "auth/admin log",
        "auth/admin drain status",
    ],
    "Each machine, process and task hub has its own numbers, names, settings and keys.": [
        "auth/admin status",
        "auth/admin status code",
        "auth/admin start",
        "auth/admin start nosuch",
        "auth/admin env",
        "auth/admin pid",
        "big/keep-alive 3 requests",
    ],
    "devhost gives each function a span of its own, so that traces can be followed without Application Insights.": [
        "req/header: traceparent",
        "req/header: traceparent bad",
        "req/header: no trace",
        "req/header: request-id",
    ],
    "devhost answers HTTP/2 with 505 instead of the frames of that protocol.": [
        "req/h2 prior knowledge"
    ],
}
"""Of HTTP: requests, responses, routes, keys."""

APPS: dict[str, list[str]] = {
    "devhost has no home page: `/` is not found unless a function has it.": [
        "app/np_empty/GET /",
        "app/np_empty/POST /",
        "app/np_empty/HEAD /",
        "app/np_empty/GET /?x=1",
        "app/np_leadslash/GET /",
        "app/np_leadslash/POST /",
        "app/np_leadslash/HEAD /",
        "app/np_leadslash/GET /?x=1",
        "app/hj_headers/GET /",
    ],
    "An ASGI app sees where the SDK is installed, which was cut after 60 characters.": [
        "app/asgi_np2/GET /",
        "app/asgi_np2/GET /a/b?x=1",
        "app/asgi_np2/POST /q",
    ],
}
"""Of HTTP: loading, host.json, settings, deaths of the worker."""

MANAGEMENT: dict[str, list[str]] = {
    "devhost has no keys.": ["key-none", "key-wrong"],
    "Under /runtime devhost has the management API and nothing else, as the real host without a key.": [
        "root"
    ],
    "What a client has asked for is done when it is told so: it sees the effect, where the real host is still at it.": [
        "sdk-raise-running",
        "sdk-suspend-running",
        "sdk-terminate-running",
        "sdk-resume-suspended",
        "sdk-terminate-suspended",
        "sdk-rewind-failed",
        "sdk-restart-same-completed",
        "sdk-restart-same-failed",
        "sdk-restart-same-terminated",
        "sdk-start-ids",
        "sdk-entity-signal-keys",
        "reuse-pending",
    ],
    "The functions that there are come in the order of their names: the real host has none.": [
        "orch-unknown-status"
    ],
}
"""Of Durable: the management API and the SDK's client."""

ORCHESTRATIONS: dict[str, list[str]] = {
    "Who calls what the app does not have fails, with the names of what it has: on the real host it waits for ever.": [
        "act-unknown",
        "sub-unknown",
        "ent-call-unknown",
    ],
    "Who starts a sub-orchestration under the id of an entity fails: on the real host it waits for ever.": [
        "sub-badid-at",
        "sub-badid",
    ],
    "Who calls an operation whose result or state is no JSON is told so: on the real host it waits for ever.": [
        "ent-result-unserialisable",
        "ent-state-unserialisable",
    ],
    "Events in a history have only the members that devhost needs, and those of a turn's end count its actions.": [
        "hist-attrs",
    ],
    "The recording of this case is that of versions which break the entities of the real host.": [
        "base64-enc-ent-ffff"
    ],
}
"""Of Durable: orchestrations, activities, entities, host.json."""

NOT_DRIVEN: dict[str, list[str]] = {
    "It says how long something took, or depends on it.": [
        "timer-late",
        "retry",
        "retry-sub",
        "ent-batch",
        "fanout-100",
        "fanout-1000",
        "enc-stall",
        "base64-enc-stall",
        "trace-start",
        "vis-event",
        "vis-signal",
        "vis-signal-last",
        "vis-start",
    ],
    "It ends processes.": ["kill-host", "kill-worker", "orch-sysexit", "two-hosts"],
}
"""Of Durable: what a test in one process cannot do, or what depends on timing; not counted."""
