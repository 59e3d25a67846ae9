"""What a terminal shows of a batch: pure functions from Progress, a width and glyphs to lines of text."""
