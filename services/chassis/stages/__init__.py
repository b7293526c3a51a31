"""The stages that every call passes, one file each, outermost first.

    recovery     turns what was raised into the one answer that a caller may see
    deadline     ends the call in time and passes the deadline on to the calls that it makes
    tracing      one span and one duration per call
    access_log   one line per call worth reading
    peers        which part is calling, and may it; where parts speak TLS
    access       who is calling, and may they
    admission    is there room, and is the server staying
    validation   does the request keep its contract

The order matters: a refusal of any stage is answered, traced and logged like one of the handler; a stranger takes no
room; and nothing is parsed further for a call that is not admitted.

A dialogue (see `services.chassis.dialogues`) passes them as one long call, and each of its messages passes all but the
first, and peers, as a call of its own.
"""
