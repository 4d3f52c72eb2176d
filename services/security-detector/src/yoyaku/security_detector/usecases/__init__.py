"""What the detector does, one verb a module."""
