"""Looking inside training: every symbol of an update, and the loss surface around it."""
