-- What else those are shown who decide about a call. The length is that of the body, in bytes.

ALTER TABLE approvals ADD COLUMN query TEXT;
ALTER TABLE approvals ADD COLUMN media TEXT;
ALTER TABLE approvals ADD COLUMN length INTEGER;
