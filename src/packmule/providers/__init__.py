"""One file a vendor: wire codecs, prices, the registry of models, and the transport that carries bytes."""
