SELECT '\' FROM x', 'it''s FROM y', E'z' /* FROM c */ FROM t -- FROM u
, v