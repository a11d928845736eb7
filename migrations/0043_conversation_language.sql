-- The language that the persona is to answer in, a tag of BCP 47 such as pt-BR; null where its user has chosen none.
alter table conversations add column language text check (length(language) between 2 and 35);
