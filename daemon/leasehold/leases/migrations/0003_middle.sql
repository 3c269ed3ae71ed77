-- The 16 characters of a lease's id that stand in the middle of its account's name, so that whoever
-- comes from the account finds the lease. The id never changes, so no update touches this.
CREATE INDEX lease_middle ON lease (substr(id, -26, 16));
