"""Consultation booking for small clinics."""
