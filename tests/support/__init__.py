"""What several tests use: real servers, sample models and streams, receivers of pages and mail."""
