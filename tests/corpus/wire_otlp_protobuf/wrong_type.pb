
X


service.name
web8

lib1
a 
0123456789abcdefabcdefgh(ur