"""The interview: ordered questions as data and typed functions, the same for every front end.

Pure: finding a model, reading data and probing a machine are asked for (`Interview.missing`) and done by the
front end, which hands the facts back.
"""
