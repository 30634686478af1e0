-- Format 7: how alike the people of a collection are is counted when their templates are opened, and no longer kept.

DROP TABLE calibrations;

UPDATE vault SET format_version = 7;
