-- What a span cost that does not report it, and where that is known from: 1 it is reported, 2 priced, 3 there is no
-- price for it, NULL it is no model call or is from before there were prices. The usage of a trace says the sum of both;
-- beside it stands how many calls there are of each.
ALTER TABLE spans ADD COLUMN cost_from INTEGER;
ALTER TABLE spans ADD COLUMN priced_usd REAL;
ALTER TABLE traces ADD COLUMN reported_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE traces ADD COLUMN priced_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE traces ADD COLUMN unpriced_calls INTEGER NOT NULL DEFAULT 0;
UPDATE traces SET reported_calls = 1 WHERE usage ->> '$.cost_usd' IS NOT NULL;
