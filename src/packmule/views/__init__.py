"""The read side: what people and programs are shown of a batch, folded into one Progress value."""
