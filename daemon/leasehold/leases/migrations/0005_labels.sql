-- What was said when a lease was asked for, such as the reason, as JSON; empty for nothing. Rows of
-- before said nothing, and the MAC that they bear does not cover this column.
ALTER TABLE lease ADD COLUMN labels TEXT NOT NULL DEFAULT '';
