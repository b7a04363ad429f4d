"""What a site's engine was told, put back before it: the same after a crash and in a back-test.

With the database: it reads recorded flushes and the versions of the site file in force in them
from the historian, steps the engine, and writes nothing. Recovery and back-tests stand on it.
"""
