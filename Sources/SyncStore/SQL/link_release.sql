-- Makes a link work again whose use came to nothing. Parameter: its hash.
DELETE FROM lockstep.connect_links WHERE link_hash = $1
