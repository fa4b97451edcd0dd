"""The parts of the store, each about one thing. All methods may raise `StoreUnavailable`."""
