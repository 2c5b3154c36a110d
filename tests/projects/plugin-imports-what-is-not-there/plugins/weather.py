import wetter_api
