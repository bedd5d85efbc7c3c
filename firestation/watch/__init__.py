"""The watch: detectors of soft failures over any check, and the sequential statistics by which they ring. Pure."""
