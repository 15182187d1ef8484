"""Where devhost differs from the real host on purpose, by reason. A listed case must differ."""

REQUESTS: dict[str, list[str]] = {
    "devhost has no home page: `/` is not found unless a function has it.": [
        "req/route: root prefix",
        "req/POST /",
        "req/HEAD /",
        "req-zz/route: root prefix",
    ],
    "devhost has no keys: anyone may call, as with Core Tools, and any key opens /admin.": [
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
    "A function that raises StopIteration is 500: on the real host its caller waits forever.": [
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
    "Of /admin, devhost has ping, status, errors of a function, and running a timer function.": [
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
    "devhost gives each function a span of its own, even without Application Insights.": [
        "req/header: traceparent",
        "req/header: traceparent bad",
        "req/header: no trace",
        "req/header: request-id",
    ],
    "devhost answers HTTP/2 with 505 instead of the frames of that protocol.": [
        "req/h2 prior knowledge"
    ],
}
"""HTTP: requests, responses, routes, keys."""

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
"""HTTP: loading, host.json, settings, crashes of the worker."""

MANAGEMENT: dict[str, list[str]] = {
    "devhost has no keys.": ["key-none", "key-wrong"],
    "Under /runtime devhost has only the management API, as the real host without a key.": ["root"],
    "A request of a client is in effect when it is answered: on the real host it may be pending.": [
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
    "The names of existing functions are sorted: on the real host they are not.": [
        "orch-unknown-status"
    ],
}
"""Durable: the management API and the SDK's client."""

ORCHESTRATIONS: dict[str, list[str]] = {
    "Calling an unknown function fails, and names the known ones: the real host waits forever.": [
        "act-unknown",
        "sub-unknown",
        "ent-call-unknown",
    ],
    "A sub-orchestration with the id of an entity fails: the real host waits forever.": [
        "sub-badid-at",
        "sub-badid",
    ],
    "Calling an operation whose result or state is not JSON fails: the real host waits forever.": [
        "ent-result-unserialisable",
        "ent-state-unserialisable",
    ],
    "Events in a history have only the members that devhost needs.": [
        "hist-attrs",
    ],
    "It was recorded with versions that break entities on the real host.": ["base64-enc-ent-ffff"],
}
"""Durable: orchestrations, activities, entities, host.json."""

NOT_DRIVEN: dict[str, list[str]] = {
    "It depends on timing.": [
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
"""Durable: cases that a test in one process cannot repeat; they are not counted."""
