"""What georeg is measured against: the service that one would write without it."""
