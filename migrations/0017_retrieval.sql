-- What replies drew on: how passages were looked for, and which were told to the model.
alter table requests add column retrieval jsonb;
