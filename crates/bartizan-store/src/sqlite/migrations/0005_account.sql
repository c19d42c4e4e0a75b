-- Whose session it is is called as on a server.

ALTER TABLE refresh_tokens RENAME COLUMN user TO account;
