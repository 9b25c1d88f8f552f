"""Steps from recordings to training data: a file a step, the manifest and the stage engine."""
