"""What operators and programs see: routes, the live websocket, the page.

Data comes only from the database. It may import the vocabulary, the historian and alarms.
"""
