-- The task hub. Moments are text like 2026-12-24T18:00:00.000000Z, which sorts as it reads.
-- Payloads are JSON as the SDK and the webhooks exchange them; the store never looks inside.

CREATE TABLE instances (
    id            TEXT PRIMARY KEY,
    execution     TEXT NOT NULL,      -- new for each start and continue-as-new: marks late messages
    name          TEXT NOT NULL,
    status        TEXT NOT NULL,      -- OrchestrationRuntimeStatus as the management API spells it
    input         TEXT,
    output        TEXT,
    custom_status TEXT,
    created       TEXT NOT NULL,
    updated       TEXT NOT NULL,
    parent        TEXT,               -- of a sub-orchestration: the instance that waits for it,
    parent_execution TEXT,            -- in which execution,
    parent_task   INTEGER             -- and as which task
);

-- One row for each turn, not for each event: a turn appends one value, and a replay reads few.
CREATE TABLE history (
    instance TEXT NOT NULL,
    turn     INTEGER NOT NULL,
    events   TEXT NOT NULL,           -- comma-separated JSON objects
    PRIMARY KEY (instance, turn)
);

CREATE TABLE entities (
    id      TEXT PRIMARY KEY,         -- @name@key, with the name in lower case
    state   TEXT NOT NULL,
    updated TEXT NOT NULL,
    created TEXT NOT NULL
);

-- Entities as the management API lists them: on the real host each is an instance that never ends.
CREATE VIEW entity_instances AS
SELECT
    id, '' AS execution, id AS name, 'Running' AS status,
    json_object('state', state, 'sorter', json('{}')) AS input, NULL AS output,
    '{}' AS custom_status, created, updated, NULL, NULL, NULL
FROM entities;

-- What an instance or an entity has yet to take: its inbox, and the timers that it has set.
CREATE TABLE messages (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival. Never used again: else a late
                                                 -- removal would hit a new message
    target    TEXT NOT NULL,
    execution TEXT,                   -- the only execution that may take it (a reply, a timer)
    timer     INTEGER,                -- the id of the timer, so that it can be cancelled
    due       TEXT NOT NULL,          -- empty: at once; the end of time: the target is suspended
    body      TEXT NOT NULL           -- history events for an instance, a request for an entity
);
-- Each entry of the index ends with the seq, so it has due messages in the order of their taking.
CREATE INDEX messages_due ON messages (due);
CREATE INDEX messages_target ON messages (target);

-- When each timer-triggered function last ran: tells what fell due while the host was down.
CREATE TABLE schedules (
    function TEXT PRIMARY KEY,
    last     TEXT NOT NULL
);

-- Activities that were scheduled and have not completed. After a crash they run again.
CREATE TABLE activities (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    instance  TEXT NOT NULL,
    execution TEXT NOT NULL,
    task      INTEGER NOT NULL,
    name      TEXT NOT NULL,
    input     TEXT
);
CREATE INDEX activities_instance ON activities (instance);
