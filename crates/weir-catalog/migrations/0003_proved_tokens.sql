-- A salt belongs to a user, not to a password: a client that proves a token needs it before anybody
-- knows which. Users that have none yet get one.
UPDATE users SET scram_salt = randomblob(16), scram_iterations = 10000 WHERE scram_salt IS NULL;

-- Tokens made before this have none: of them only a hash is known. They can be sent, not proved.
ALTER TABLE tokens ADD COLUMN scram_stored_key BLOB;
ALTER TABLE tokens ADD COLUMN scram_server_key BLOB;
ALTER TABLE owner_token ADD COLUMN scram_stored_key BLOB;
ALTER TABLE owner_token ADD COLUMN scram_server_key BLOB;

-- By itself and without triggers: no decision depends on it, so its changes move nothing.
CREATE TABLE token_uses (
    token_id INTEGER PRIMARY KEY,
    used_at  INTEGER NOT NULL
) STRICT;
CREATE TRIGGER token_uses_gone AFTER DELETE ON tokens BEGIN DELETE FROM token_uses WHERE token_id = OLD.id; END;
