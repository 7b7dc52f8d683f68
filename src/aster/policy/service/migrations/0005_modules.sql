-- What a version uses: the imports of its text, and the versions of other modules that were pinned for them (JSON).
ALTER TABLE policy_versions ADD COLUMN imports TEXT NOT NULL DEFAULT '[]';
ALTER TABLE policy_versions ADD COLUMN pins TEXT NOT NULL DEFAULT '';
ALTER TABLE policy_versions ADD COLUMN toolchain TEXT NOT NULL DEFAULT '';
ALTER TABLE policy_versions ADD COLUMN previous_hash TEXT NOT NULL DEFAULT '';
