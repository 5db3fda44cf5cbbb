"""bcc_relay: an outgoing mail relay that makes the Bcc mistake harmless."""
