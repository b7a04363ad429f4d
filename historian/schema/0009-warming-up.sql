-- Which kinds of rules of a channel can't judge yet, as the sum of their bits (alarms/warming.py), by
-- slot; null where all can. Of the newest scan only: it is about now.
alter table latest add column warming smallint[];
