"""The tools that an agent may call: what each is, and how a call of one over HTTP is answered."""
