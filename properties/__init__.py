"""What the state types promise, checked on random histories against plain models."""
