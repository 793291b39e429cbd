/** Every change of the tables, oldest first; one that was released is never edited. Times are ms since 1970, days are of UTC. */
export const LLM_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    timeMs INTEGER NOT NULL,
    sandbox TEXT NOT NULL,
    exec TEXT,
    session TEXT,
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    model TEXT NOT NULL,
    streaming INTEGER NOT NULL,
    status INTEGER,
    latencyMs INTEGER,
    input INTEGER,
    output INTEGER,
    cached INTEGER,
    total INTEGER,
    bytesOut INTEGER NOT NULL,
    usd REAL,
    estimated INTEGER NOT NULL,
    keySource TEXT NOT NULL
  ) STRICT;
  CREATE INDEX calls_by_time ON calls (timeMs);
  CREATE INDEX calls_by_sandbox ON calls (sandbox, timeMs);

  -- What is left of calls when they are deleted; written together with them.
  CREATE TABLE totals (
    day TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    streamed INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    total INTEGER NOT NULL,
    bytesOut INTEGER NOT NULL,
    usd REAL NOT NULL,
    priced INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    lastMs INTEGER NOT NULL,
    PRIMARY KEY (day, sandbox, provider, model)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX totals_by_sandbox ON totals (sandbox, day);

  -- sandbox: '' = all of them together.
  CREATE TABLE budgets (
    sandbox TEXT NOT NULL PRIMARY KEY,
    budget TEXT NOT NULL CHECK (json_valid(budget))
  ) STRICT;
  `,
]
