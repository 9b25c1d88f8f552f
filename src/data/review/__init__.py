"""Step 5: a page in the browser where a person corrects clips, worst first."""
