"""Ways of telling people and programs, a file each, behind the transactional outbox."""
