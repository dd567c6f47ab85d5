"""The whole job in other libraries, one script each: from the data to a saved model with a metrics table."""
