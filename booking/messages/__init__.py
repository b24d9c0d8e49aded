"""From an appointment to an invitation in somebody's mailbox."""
