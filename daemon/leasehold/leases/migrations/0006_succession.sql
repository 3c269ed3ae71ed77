-- Which lease this one replaces, and by which one it was replaced; empty for none. Rows of before have
-- neither, and the MAC that they bear does not cover these columns.
ALTER TABLE lease ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
ALTER TABLE lease ADD COLUMN replaced_by TEXT NOT NULL DEFAULT '';
