"""Tests: conversations, tables, real servers, a real browser."""
