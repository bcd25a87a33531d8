# Shared by list and text in C; nothing of it is seen from Python.
