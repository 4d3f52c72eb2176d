"""The archive in an object store: a local folder, S3, Azure or Google Cloud Storage."""
