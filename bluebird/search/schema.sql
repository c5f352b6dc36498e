-- One search: what was looked through, with which model, and a row for every file that was ever found.

CREATE TABLE search (
    key   TEXT PRIMARY KEY,  -- root, model, classes (JSON), target (JSON), run
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE pictures (
    id          INTEGER PRIMARY KEY,
    path        TEXT NOT NULL UNIQUE,  -- from the root down; a byte NN that is no UTF-8 as \udcNN
    size        INTEGER NOT NULL,      -- bytes
    mtime_ns    INTEGER NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('scored', 'failed', 'skipped')),
    reason      TEXT NOT NULL,         -- of failed and skipped
    digest      BLOB NOT NULL,         -- BLAKE2b of the content, 16 bytes; empty where it was not read
    width       INTEGER NOT NULL,      -- px, as stored in the file
    height      INTEGER NOT NULL,
    orientation INTEGER NOT NULL,      -- EXIF, 1 to 8
    taken       TEXT NOT NULL,         -- EXIF, ISO 8601; empty where it does not say
    dhash       INTEGER NOT NULL,      -- difference hash of the upright picture, 64 bits, signed
    probs       BLOB,                  -- float32, little-endian, one for each class; NULL unless scored
    novelty     REAL,                  -- share of known pictures that look more familiar
    embedding   BLOB,                  -- float16, little-endian, where it was asked for
    model       TEXT NOT NULL,         -- fingerprint of the model that scored it
    run         INTEGER NOT NULL,      -- the last run in which it was there
    gone        INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX pictures_content ON pictures (size, digest) WHERE status = 'scored';  -- sizes may all be equal
CREATE INDEX pictures_gone ON pictures (gone) WHERE gone = 1;

CREATE TABLE scores (  -- apart from the pictures, so that another target changes little of the file
    id    INTEGER PRIMARY KEY,  -- of the picture
    score REAL NOT NULL         -- probability of the target
);

CREATE TRIGGER scores_of_scored AFTER UPDATE OF status ON pictures WHEN new.status != 'scored'
    BEGIN DELETE FROM scores WHERE id = new.id; END;

CREATE VIEW finds AS  -- SELECT * FROM finds ORDER BY score DESC
    SELECT path, score, novelty, width, height, orientation, taken FROM pictures JOIN scores USING (id)
    WHERE status = 'scored' AND gone = 0 AND model = (SELECT value FROM search WHERE key = 'model');
