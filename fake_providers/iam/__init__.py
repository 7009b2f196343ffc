"""AWS' judgement of requests, in front of moto, which judges neither resources nor conditions nor the state of keys."""
