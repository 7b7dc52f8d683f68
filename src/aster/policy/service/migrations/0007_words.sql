-- Whether others of the tenant may use a policy's module; where a version's source comes from, as its author tells; the
-- vocabulary and the aliases it is written in (canonical JSON, empty without any).
ALTER TABLE policies ADD COLUMN library_visible INTEGER NOT NULL DEFAULT 1;
ALTER TABLE policy_versions ADD COLUMN source_kind TEXT NOT NULL DEFAULT 'manual';
ALTER TABLE policy_versions ADD COLUMN words TEXT NOT NULL DEFAULT '';
UPDATE policy_activations SET kind = 'deploy' WHERE kind = 'activate';
