"""SMTP in: takes the dialog from clients and hands complete submissions to the relay. It decides nothing about mail."""
