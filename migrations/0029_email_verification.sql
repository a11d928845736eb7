-- Whether the address of an account is known to be its owner's, where that is asked for (registration.verify_email).

-- Every account counts as verified unless its registration says otherwise: those that are there, those that admins, operators
-- and imports make, and those of servers that know nothing of this yet.
alter table users add column email_verified_at timestamptz default now();

-- The one link of an account by which its address is verified: the SHA-256 of its token, and until when; as with the link
-- that sets a password.
alter table users
    add column verify_digest bytea,
    add column verify_until timestamptz,
    add constraint users_verify_check check ((verify_digest is null) = (verify_until is null));
create unique index users_verify_digest_key on users (verify_digest) where verify_digest is not null;
