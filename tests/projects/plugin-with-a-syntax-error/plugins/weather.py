def register_rules(register)
    pass
